"""The endpoint over TCP: its key, who may come in, and the sockets."""
