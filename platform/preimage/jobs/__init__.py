"""What can be run: one folder or file for each kind of job."""
