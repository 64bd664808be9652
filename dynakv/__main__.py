"""`python -m dynakv` is the `dynakv` command."""

from dynakv.server.main import main

if __name__ == "__main__":
    main()
