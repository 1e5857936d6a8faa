"""The networks themselves, a module for each family; imported when a checkpoint is converted."""
