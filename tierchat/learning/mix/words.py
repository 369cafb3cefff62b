"""Words, names and sentences that several families draw from. Knows no questions."""

from __future__ import annotations

WORDS = """
apple river stone cloud garden window bottle silver forest candle mirror planet hammer
button copper desert engine falcon guitar harbor island jacket kettle ladder magnet needle orange
pencil rabbit saddle tunnel velvet walnut yellow zipper anchor basket cactus dragon empire
""".split()

WORDS_RU = """
яблоко река камень облако окно бутылка серебро лес свеча зеркало планета молоток
кнопка медь пустыня гитара гавань остров куртка чайник лестница магнит игла апельсин карандаш
кролик седло туннель бархат орех якорь корзина кактус дракон империя вода дорога книга стол
""".split()

PEOPLE = (
    "Ann Lee",
    "Omar Said",
    "Julia Stone",
    "Ben Carter",
    "Mei Lin",
    "Ivan Petrov",
    "Sara Novak",
)
PEOPLE_RU = ("Анна Ли", "Омар Саид", "Юлия Каменева", "Борис Картер", "Иван Петров", "Сара Новак")
CITIES = ("Lisbon", "Oslo", "Denver", "Kyoto", "Lyon", "Turin", "Quito", "Perth")
CITIES_RU = ("Тверь", "Казань", "Пермь", "Омск", "Тула", "Псков", "Сочи", "Чита")
JOBS = ("nurse", "welder", "teacher", "plumber", "designer", "pilot", "baker", "geologist")
JOBS_RU = ("врач", "сварщик", "учитель", "сантехник", "дизайнер", "пилот", "пекарь", "геолог")

SENTENCES = (
    "The quick fox sleeps near the old barn",
    "Please send the report before noon on Friday",
    "Our server restarts every night at two",
    "My sister paints small birds on blue paper",
    "A cold wind blew across the empty square",
    "They moved the meeting to the second floor",
    "Nobody expected the train to leave so early",
    "The printer needs more paper and a new cable",
    "We found an old map inside the green box",
    "Fresh bread smells better than any perfume",
)
SENTENCES_RU = (
    "Старый мост скрипит под тяжёлым грузовиком",
    "Пришлите отчёт до полудня в пятницу",
    "Наш сервер перезагружается каждую ночь",
    "Моя сестра рисует птиц на синей бумаге",
    "Холодный ветер дул через пустую площадь",
    "Собрание перенесли на второй этаж",
    "Никто не ждал что поезд уйдёт так рано",
    "Мы нашли старую карту в зелёной коробке",
)
