"""Changes of weights and biases that give an int8 plan back some of its accuracy. One correction, one file."""
