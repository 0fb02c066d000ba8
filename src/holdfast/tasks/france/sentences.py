"""What the long-memory demo says about people and countries: openings, journeys in between, closings.

Every text here was written for this demo. `{country}` is one of COUNTRIES, `{name}` one of the people. The everyday
sentences that fill the gap are in `fillers`.
"""

from __future__ import annotations

LANGUAGE_OF: dict[str, str] = {
    "France": "French",
    "Germany": "German",
    "Spain": "Spanish",
    "Italy": "Italian",
    "Portugal": "Portuguese",
    "Poland": "Polish",
    "Sweden": "Swedish",
    "Norway": "Norwegian",
    "Denmark": "Danish",
    "Finland": "Finnish",
    "Iceland": "Icelandic",
    "Greece": "Greek",
    "Turkey": "Turkish",
    "Russia": "Russian",
    "Hungary": "Hungarian",
    "Romania": "Romanian",
    "Bulgaria": "Bulgarian",
    "Croatia": "Croatian",
    "Japan": "Japanese",
    "Korea": "Korean",
    "Vietnam": "Vietnamese",
    "Thailand": "Thai",
    "Indonesia": "Indonesian",
    "Israel": "Hebrew",
    "Mexico": "Spanish",
    "Brazil": "Portuguese",
    "Austria": "German",
    "Egypt": "Arabic",
    "Morocco": "Arabic",
    "Cyprus": "Greek",
}
"""The language each country of the demo stands for (one each, a simplification the sentences share)."""

COUNTRIES: tuple[str, ...] = tuple(LANGUAGE_OF)
LANGUAGES: tuple[str, ...] = tuple(sorted(set(LANGUAGE_OF.values())))

PEOPLE: dict[str, str] = {
    "Marta": "She", "Elena": "She", "Sofia": "She", "Nadia": "She", "Clara": "She", "Ingrid": "She", "Rosa": "She",
    "Yuki": "She", "Amina": "She", "Julia": "She", "Hanna": "She", "Leila": "She", "Tomas": "He", "Peter": "He",
    "Omar": "He", "Victor": "He", "Daniel": "He", "Felix": "He", "Henrik": "He", "Marco": "He", "Samuel": "He",
    "Paul": "He", "Stefan": "He", "Kenji": "He",
}  # fmt: skip
"""First names, with the pronoun that closings use."""

OPENINGS_I: tuple[str, ...] = (
    "I grew up in {country}",
    "I was born in {country}",
    "I was born and raised in {country}",
    "I spent my childhood in {country}",
    "I come from {country}",
    "I went to school in {country}",
    "I am from a small town in {country}",
    "My parents raised me in {country}",
    "My whole family comes from {country}",
    "Home for me was always {country}",
    "I lived in {country} until I was twenty",
    "I grew up in {country} with two brothers",
    "The first words I heard were spoken in {country}",
    "When I was a child we lived in {country}",
)
"""First sentences in the first person."""

OPENINGS_THEY: tuple[str, ...] = (
    "{name} grew up in {country}",
    "{name} was born in {country}",
    "{name} was born and raised in {country}",
    "{name} spent a happy childhood in {country}",
    "{name} comes from {country}",
    "{name} went to school in {country}",
    "{name} is from a small town in {country}",
    "The parents of {name} lived in {country}",
    "Home for {name} was always {country}",
    "{name} lived in {country} until the age of twenty",
    "As a child {name} lived in {country}",
)
"""First sentences about somebody else."""

DETOURS: tuple[str, ...] = (
    "We once flew to {country}",
    "One summer we drove through {country}",
    "My aunt sent me a postcard from {country}",
    "A friend of mine moved to {country}",
    "The parcel had come all the way from {country}",
    "We took the night train to {country}",
    "The film was about a farmer in {country}",
    "There was a map of {country} on the wall",
    "My cousin studied for a year in {country}",
    "The oranges were grown in {country}",
    "The football team lost a match in {country}",
    "A singer from {country} was on the radio",
    "We talked about a holiday in {country}",
    "I have never been to {country}",
    "The boat was built in {country}",
    "She dreamed of a house in {country}",
    "He bought a rug in {country}",
    "It was much colder than in {country}",
    "We spent two rainy weeks in {country}",
    "A letter arrived from {country}",
    "My uncle sold his shop and left for {country}",
    "The wine came from {country}",
    "My sister married a sailor from {country}",
    "The ship was on its way to {country}",
    "On the radio they spoke about {country}",
    "Our teacher had once lived in {country}",
    "The circus came from {country}",
    "We missed the plane to {country}",
    "My brother worked in {country} for a summer",
    "They sold us a carpet from {country}",
    "Nobody I know has been to {country}",
    "A doctor from {country} moved in next door",
    "The story takes place in {country}",
    "My boss flies to {country} every month",
    "{name} moved to {country} last year",
    "{name} sent me a photograph from {country}",
    "{name} drove a lorry to {country} and back",
    "{name} works in {country} these days",
    "{name} would love to see {country}",
    "{name} opened a cafe in {country}",
)
"""Distractors: other countries that are visited or mentioned on the way."""

CLOSINGS: tuple[str, ...] = (
    "{they} {speak} fluent",
    "So {they} {speak} fluent",
    "So today {they} {speak} fluent",
    "Of course {they} {speak} fluent",
    "Even now {they} {speak} fluent",
    "To this day {they} {speak} fluent",
    "That is why {they} {speak} fluent",
    "After all these years {they} still {speak} fluent",
    "It surprises nobody that {they} {speak} fluent",
)
"""Last sentences, up to the blank. A sentence's first letter is made a capital when the slots are filled."""
