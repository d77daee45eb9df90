"""Copies, leaks and doubtful labels in a gallery. It proposes; nothing is deleted."""
