"""The demonstration, and the generated studies that it runs on."""
