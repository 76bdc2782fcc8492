"""stub"""


def refresh(path):
    raise NotImplementedError
