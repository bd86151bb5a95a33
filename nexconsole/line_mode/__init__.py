"""The console as plain sentences, one a line: for screen readers, pipes, small screens and logs."""
