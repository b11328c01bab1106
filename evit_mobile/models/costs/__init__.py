"""What each layer of a family's models costs, from the architecture alone. Imports no torch."""
