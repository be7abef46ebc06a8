from hypothesis import settings

settings.register_profile("patient", deadline=None)  # a busy machine must not fail a test
settings.load_profile("patient")
