"""The drill's Docker host: NexNum as Compose runs it, behind the Engine's API."""
