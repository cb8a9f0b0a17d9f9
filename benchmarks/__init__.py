"""What lhbackupd costs, beside what it is compared to: `python -m benchmarks [--smoke] [--json]`."""
