"""The paper's experiments: what to run, and how it compares (see __main__)."""
