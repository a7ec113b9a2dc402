"""The main job, shown: a real package deployed, updated and published on a service of its own."""
