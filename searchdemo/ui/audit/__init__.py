"""The Audit tab: piles of copies, leaks, and doubtful labels of the gallery in the sidebar."""
