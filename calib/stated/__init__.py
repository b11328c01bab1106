"""What is said of a model's preprocessing, and by whom: readers for each tool's way of saying it, and what follows from all of them."""
