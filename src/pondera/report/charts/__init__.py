"""Figures -> charts. A chart is drawn by one function and listed once; whoever shows charts goes through the list."""
