"""The page in a real browser: Debian's Chromium, driven as a person would."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from frontends import serving_here
from pictures import picture
from running import Service
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from imgray.keys import digest_of
from imgray.samples import draw_samples

pytestmark = pytest.mark.browser

SECONDS = 60


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("no browser: install chromium and chromium-driver to run this test")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    profile = tmp_path_factory.mktemp("profile")
    for argument in (
        "--headless",
        "--no-sandbox",  # Chromium refuses to run as root otherwise, which is what a container runs it as
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        "--window-size=1100,1300",
        f"--user-data-dir={profile}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options, webdriver.ChromeService(driver)) as running:
        yield running


@pytest.fixture
def page(browser: webdriver.Chrome, service: Service) -> webdriver.Chrome:
    browser.get(service.url)
    wait(browser).until(lambda b: b.find_elements(By.CSS_SELECTOR, "#operation option"))
    return browser


def wait(browser: webdriver.Chrome) -> WebDriverWait[webdriver.Chrome]:
    return WebDriverWait(browser, SECONDS)


def save_screenshot(browser: webdriver.Chrome, name: str) -> None:
    if folder := os.environ.get("SCREENSHOTS"):
        browser.save_screenshot(str(Path(folder) / name))


def cards(browser: webdriver.Chrome, state: str) -> int:
    return len(browser.find_elements(By.CSS_SELECTOR, f"#cards > li.{state}"))


def button(browser: webdriver.Chrome, words: str) -> None:
    browser.find_element(By.XPATH, f"//button[text()='{words}']").click()


def test_pictures_are_dropped_processed_compared_and_ready_to_download(page: webdriver.Chrome, tmp_path: Path) -> None:
    paths = draw_samples(tmp_path)
    page.find_element(By.ID, "files").send_keys("\n".join(map(str, paths)))
    wait(page).until(lambda b: cards(b, "succeeded") == len(paths))
    assert page.find_element(By.ID, "summary").text == "4 of 4 done"
    links = [link.get_attribute("download") or "" for link in page.find_elements(By.CSS_SELECTOR, "a.download")]
    assert sorted(links) == ["fractal.png", "petals.webp", "sunset.jpg", "test-card.png"]

    def shown(b: webdriver.Chrome) -> bool:
        return bool(b.execute_script("return [...document.querySelectorAll('.after')].every(i => i.naturalWidth > 0)"))

    wait(page).until(shown)
    swapped = page.execute_async_script(
        """
        const [done] = arguments, canvas = document.createElement("canvas"), pen = canvas.getContext("2d");
        const card = [...document.querySelectorAll("#cards > li")].find(c => c.textContent.includes("test-card"));
        const pixel = image => { pen.drawImage(image, 0, 0); return [...pen.getImageData(120, 20, 1, 1).data]; };
        canvas.width = canvas.height = 200;
        done([pixel(card.querySelector(".before")), pixel(card.querySelector(".after"))]);
        """
    )
    assert swapped == [[255, 216, 0, 255], [216, 255, 0, 255]]
    slider = page.find_element(By.CSS_SELECTOR, ".view input")
    page.execute_script("arguments[0].value = 20; arguments[0].dispatchEvent(new Event('input'))", slider)
    view = page.find_element(By.CSS_SELECTOR, ".view")
    assert "20%" in (view.get_attribute("style") or "")
    save_screenshot(page, "page.png")


def test_operations_are_chosen_with_their_arguments(page: webdriver.Chrome, tmp_path: Path) -> None:
    picture(size=(64, 48)).save(tmp_path / "a.png")
    page.find_element(By.CSS_SELECTOR, "#steps button").click()
    for name, value in (("width", "32"), ("height", "16")):
        page.find_element(By.CSS_SELECTOR, f"#arguments [name={name}]").send_keys(value)
    page.find_element(By.CSS_SELECTOR, "#arguments [name=mode] option[value=fill]").click()
    button(page, "Add")
    button(page, "As WebP")
    button(page, "Grayscale")
    pipeline = page.find_element(By.ID, "pipeline").get_attribute("value")
    assert pipeline == "resize:width=32,height=16,mode=fill/grayscale/convert:webp"
    page.find_element(By.ID, "files").send_keys(str(tmp_path / "a.png"))
    wait(page).until(lambda b: cards(b, "succeeded") == 1)
    assert page.find_element(By.CSS_SELECTOR, ".size").text.startswith("32\u00d716")


def test_facts_are_shown_as_text(page: webdriver.Chrome, tmp_path: Path) -> None:
    picture(size=(64, 48)).save(tmp_path / "a.png")
    page.find_element(By.CSS_SELECTOR, "#operation option[value=info]").click()
    button(page, "Add")
    button(page, "Grayscale")
    assert page.find_element(By.ID, "pipeline").get_attribute("value") == "swap:rg/grayscale/info"
    page.find_element(By.ID, "files").send_keys(str(tmp_path / "a.png"))
    wait(page).until(lambda b: b.find_elements(By.CSS_SELECTOR, ".facts"))
    assert '"width": 64' in page.find_element(By.CSS_SELECTOR, ".facts").text
    save_screenshot(page, "facts.png")


def test_a_broken_picture_says_what_is_wrong_with_it(page: webdriver.Chrome, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_text("hello")
    page.find_element(By.ID, "files").send_keys(str(tmp_path / "broken.png"))
    wait(page).until(lambda b: cards(b, "failed") == 1)
    assert "not an image" in page.find_element(By.CSS_SELECTOR, ".failed .state").text


def test_a_service_with_keys_asks_for_one_and_sends_it_with_everything(
    browser: webdriver.Chrome, tmp_path: Path
) -> None:
    key = "imgray_page"
    keys = [{"name": "page", "sha256": digest_of(key), "scopes": ["submit", "read"]}]
    picture(size=(64, 48)).save(tmp_path / "a.png")
    with serving_here(tmp_path / "data", keys=keys) as url:
        browser.get(url)
        asked = browser.find_element(By.ID, "access")
        wait(browser).until(lambda _: asked.is_displayed())
        save_screenshot(browser, "key.png")
        field = browser.find_element(By.ID, "key")
        field.send_keys("imgray_wrong\n")
        refused = browser.find_element(By.ID, "refused")
        wait(browser).until(lambda _: refused.is_displayed())
        assert refused.text.startswith("The key is none of this service's.")
        browser.find_element(By.ID, "files").send_keys(str(tmp_path / "a.png"))
        wait(browser).until(lambda b: b.find_element(By.CSS_SELECTOR, "#cards .state").text == "waiting for a key")
        field.send_keys(f"{key}\n")
        wait(browser).until(lambda b: cards(b, "succeeded") == 1)
        assert not asked.is_displayed()
        wait(browser).until(lambda b: b.find_elements(By.CSS_SELECTOR, "#operation option"))
        width = "return document.querySelector('.after').naturalWidth"
        wait(browser).until(lambda b: b.execute_script(width) == 64)
        link = browser.find_element(By.CSS_SELECTOR, "a.download").get_attribute("href") or ""
        assert link.startswith("blob:")
        save_screenshot(browser, "key-given.png")
        browser.get(f"{url}/docs")
        wait(browser).until(lambda b: len(b.find_elements(By.CSS_SELECTOR, "#operations details")) > 4)
        browser.get(url)  # the tab keeps it
        wait(browser).until(lambda b: b.find_elements(By.CSS_SELECTOR, "#operation option"))
        browser.find_element(By.ID, "forget").click()
        wait(browser).until(lambda b: b.find_element(By.ID, "access").is_displayed())
    browser.get_log("browser")  # type: ignore[no-untyped-call]  # the refusals, which no other test has to explain


def test_workers_are_shown_as_they_are(browser: webdriver.Chrome, tmp_path: Path) -> None:
    with serving_here(tmp_path) as url:
        browser.get(url)
        browser.find_element(By.CSS_SELECTOR, "#workers summary").click()
        row = wait(browser).until(lambda b: b.find_elements(By.CSS_SELECTOR, "#workers tbody tr.active"))[0]
        assert row.text.startswith("worker-1.")
        assert "active" in row.text
        save_screenshot(browser, "workers.png")
        browser.get("about:blank")  # it asks for them again and again, and the service ends


def test_the_reference_lists_routes_and_operations(browser: webdriver.Chrome, service: Service) -> None:
    browser.get(f"{service.url}/docs")
    wait(browser).until(lambda b: len(b.find_elements(By.CSS_SELECTOR, "#operations details")) > 4)
    assert "/v1/tasks/{task_id}" in browser.find_element(By.ID, "paths").text


def test_nothing_was_asked_of_another_host_and_no_script_failed(page: webdriver.Chrome, service: Service) -> None:
    names = page.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert names
    assert all(name.startswith((service.url, "blob:", "data:")) for name in names)
    log: list[dict[str, str]] = page.get_log("browser")  # type: ignore[no-untyped-call]
    assert [entry for entry in log if entry["level"] == "SEVERE" and "415" not in entry["message"]] == []
