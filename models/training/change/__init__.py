"""A learned head for `lintel compare`: composed pairs, the network, its training and its scores."""
