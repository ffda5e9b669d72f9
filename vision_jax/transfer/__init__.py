"""What a trained net knows of other images: features, and probes of them."""
