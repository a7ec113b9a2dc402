"""A small web application behind Mangum, the function of the demo."""

from datetime import date

from babel.dates import format_date
from fastapi import FastAPI
from mangum import Mangum

GREETING = "Hello"

app = FastAPI()


@app.get("/greet/{name}")
def greet(name: str, locale: str = "en") -> dict[str, str]:
    """Greet by name, with a date in the words of the locale."""
    return {"greeting": f"{GREETING}, {name}", "first_of_may": format_date(date(2026, 5, 1), "full", locale=locale)}


handler = Mangum(app, lifespan="off")
