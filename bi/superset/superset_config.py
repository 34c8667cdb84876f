"""Superset for one machine and one user: metadata in a SQLite file, no cache, so that a refresh shows what is there now."""
import os

HOME = os.environ["SUPERSET_HOME"]
SECRET_KEY = os.environ["SUPERSET_SECRET_KEY"]
SQLALCHEMY_DATABASE_URI = f"sqlite:///{HOME}/superset.db"
DATA_CACHE_CONFIG = {"CACHE_TYPE": "NullCache"}
CACHE_CONFIG = {"CACHE_TYPE": "NullCache"}
# It listens on this machine alone; nothing else than its own pages is fetched.
TALISMAN_ENABLED = False
APP_NAME = "telemetry"
