"""Which images calibrate and judge, and how they become tensors."""
