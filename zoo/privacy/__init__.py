"""What a file tells of who and what made it: `zoo inspect --private`. Reads only, and runs nothing."""
