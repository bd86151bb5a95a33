"""Files of ours that several processes share: plain files, opened so that nothing else is, and SQLite in them."""
