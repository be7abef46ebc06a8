"""A trained model: networks together with the table they were trained on."""
