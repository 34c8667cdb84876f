#!/usr/bin/env python3
"""Opens the dashboard in headless Chromium as a person would, and says what its charts got to show.

    look.py ADDRESS PASSWORD PICTURE.png [follow]

Logs in, waits until each chart is drawn, takes a picture, and prints a JSON object: name of chart -> rows of the answers
that its page received, and under "text" what the big numbers read on the screen. Fails when a chart shows an error. With follow it
then leaves the page alone until the number of events on it has grown by itself, and adds what it reads now as "later".
"""
import json
import sys

from playwright.sync_api import sync_playwright

CHROMIUM = "/usr/bin/chromium"
# Chromium's own services are out of reach, and are not to be asked.
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync"]
PATIENCE = 180_000
BIG_NUMBER = ".superset-legacy-chart-big-number .header-line"


def log_in(page, address, password):
    page.goto(f"{address}/login/", timeout=PATIENCE)
    page.fill("input[name=username], #username", "admin", timeout=PATIENCE)
    page.fill("input[name=password], #password", password)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/login" not in url, timeout=PATIENCE)


def note(answers, response):
    """Keeps the rows of an answer under the id of the chart that asked."""
    if "/api/v1/chart/data" not in response.url or response.status != 200:
        return
    form = json.loads(response.request.post_data or "{}").get("form_data") or {}
    rows = [row for result in response.json()["result"] for row in result["data"]]
    answers[form.get("slice_id")] = rows


def big_numbers(page):
    return [number.inner_text() for number in page.locator(BIG_NUMBER).all()]


def foot(page):
    """Where the lowest chart ends."""
    boxes = [chart.bounding_box() for chart in page.locator("[data-test-chart-id]").all()]
    return min(1640, max(box["y"] + box["height"] for box in boxes) + 24)


def main():
    address, password, picture = sys.argv[1:4]
    answers = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1500, "height": 1650})
        page.on("response", lambda response: note(answers, response))
        log_in(page, address, password)
        page.goto(f"{address}/superset/dashboard/game/?standalone=1", timeout=PATIENCE)
        charts = page.locator("[data-test-chart-id]")
        charts.first.wait_for(timeout=PATIENCE)
        # Drawn: nothing is loading any more, and each chart has had its answer.
        page.wait_for_function(
            "() => { const all = document.querySelectorAll('[data-test-chart-id]');"
            " return all.length > 0 && !document.querySelector('[data-test=\"loading-indicator\"], .loading')"
            " && document.querySelectorAll('canvas').length >= 5; }", timeout=PATIENCE)
        page.wait_for_timeout(1500)
        names = {}
        for chart in charts.all():
            names[int(chart.get_attribute("data-test-chart-id"))] = chart.get_attribute("data-test-chart-name")
        errors = page.locator("[data-test-chart-id] .ant-alert-error, [data-test-chart-id] [role=alert]").all_inner_texts()
        seen = {"text": big_numbers(page), **{name: answers.get(chart) for chart, name in names.items()}}
        if sys.argv[4:] == ["follow"]:
            page.wait_for_function(
                "before => { const now = document.querySelectorAll('" + BIG_NUMBER + "')[2];"
                " return now && now.innerText.length > 0 && now.innerText !== before; }", arg=seen["text"][2], timeout=PATIENCE)
            seen["later"] = big_numbers(page)
        page.screenshot(path=picture, clip={"x": 32, "y": 0, "width": 1468, "height": foot(page)})
        browser.close()
    if errors:
        sys.exit(f"charts in error: {errors}")
    print(json.dumps(seen))


main()
