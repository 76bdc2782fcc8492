"""Programs and images: where they are downloaded from, and their digests."""
