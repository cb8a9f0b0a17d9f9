"""What moves: inventory, scheduler, admission, runner and journal."""
