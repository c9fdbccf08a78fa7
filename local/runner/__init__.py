"""The commands that show the whole system on this machine: `demo`, `up`, `down`."""
