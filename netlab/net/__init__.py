"""The network: the only room with sockets."""
