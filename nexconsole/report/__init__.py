"""An incident's report: its content, and its formats for people, scripts, paper and the chat channel."""
