"""What `tools/jetson-emulate` is made of; needs nothing but Python's own library, and Debian's packages."""
