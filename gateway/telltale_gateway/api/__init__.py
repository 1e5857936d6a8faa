"""The HTTP face: thin routers, and how errors and uploads cross it."""
