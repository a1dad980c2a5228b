"""The modules of `tools/jetson-emulate`, which need only Python's own library and Debian's packages."""
