"""Descriptions of the architectures, a module for each family; light to import."""
