"""Import generators that others trained: read weights, exported programs and folders, try the network, and
write an ordinary generator folder."""
