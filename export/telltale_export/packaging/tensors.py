"""The shape and type of one item of an input spec, by the words that the gateway checks them with."""

from telltale_contracts import ItemType, item_shape, item_type

__all__ = ["ItemType", "item_shape", "item_type"]
