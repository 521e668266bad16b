"""The functions of the module itself: those of one client for the whole process."""

from .client import Client

_client = Client()

get_token = _client.get_token
request = _client.request
stream = _client.stream
