"""The commands of the command line, one a module. Importing them imports nothing heavy."""
