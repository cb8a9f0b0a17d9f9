"""What people and other programs see."""
