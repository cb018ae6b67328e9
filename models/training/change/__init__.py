"""A learned head for `lintel compare`: pairs with known changes, the network, its training and its
scores.
"""
