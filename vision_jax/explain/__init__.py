"""What a trained net looks at, as images: a method a file.

A method has `prepare(net, choice)`, which returns a function of the net's
weights and a batch that gives `heat` (b, h', w') in [0, 1] and what it
explains. The other files are what all methods share.
"""

METHODS = ("gradcam", "attention", "filters", "features")
