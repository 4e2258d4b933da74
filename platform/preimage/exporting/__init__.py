"""Write generators as single files for other programs, and compare what is read back from each."""
