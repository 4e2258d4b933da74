"""Where images come from: each kind of source reads its own files, and says what it leaves out."""
