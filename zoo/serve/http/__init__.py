"""HTTP/1.1 with limits on the time, the memory and the connections that a client can take."""
