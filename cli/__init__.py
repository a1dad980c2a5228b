"""The command line. One thin module per command: parse, call one function, print."""
