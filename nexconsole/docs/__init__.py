"""The papers that ship with the console: Markdown pages, read by `nexconsole docs`."""
