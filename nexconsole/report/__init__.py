"""The report of an incident: what it says, and how it is written for people, scripts, paper and the chat channel."""
