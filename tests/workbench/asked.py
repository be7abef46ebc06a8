"""What tests ask the routes about a run; ``?`` begins a query of their own."""

OF_A_RUN = [
    "run",
    "run/curves",
    "run/health",
    "run/outcome",
    "run/network",
    "run/frames?steps=0",
    "run/histogram?tensor=layers.0.weight&step=0",
    "run/matrix?tensor=layers.0.weight",
    "run/unit/strengths?column=0&unit=0&step=0",
]
