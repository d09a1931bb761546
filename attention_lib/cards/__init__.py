"""What is true of a mechanism: shapes, notation, its card, its properties."""
