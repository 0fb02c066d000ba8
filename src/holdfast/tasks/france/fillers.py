"""The filler sentences of the long-memory demo: everyday English with no country, nation or language in it.

One sentence a line, without its full stop; none is repeated. `generator` splits them into those that training sees and
those that only the evaluation reads.
"""

from __future__ import annotations

_TEXT = """
It rained
Nobody minded
Dinner was late
The bus was full
We laughed a lot
The soup was cold
Nothing was wrong
Time went slowly
The dog barked
The phone rang twice
It was a quiet street
Spring came early
The lamp was broken
We walked home together
The winters were long
The shop closes early
My shoes were wet
The window was open
Everybody was tired
The bread smelled good
The train was late again
A cat slept on the chair
The kettle began to sing
I forgot my umbrella
The garden was full of bees
We played cards until midnight
The old clock stopped at noon
The road was covered with leaves
Breakfast was always the best meal
There was snow on the roof
The children ran down the hill
The river was high that week
Our neighbours had a noisy parrot
The piano was out of tune
I painted the kitchen door green
The library was my favourite place
A letter arrived on Monday morning
The cinema had red velvet seats
We kept chickens behind the house
The baker knew everyone by name
The storm broke two big trees
I never liked cold showers
We ate apples from the tree
The ferry left at six
The lights went out at nine
There were stars above the field
The teacher drew a large circle
I lost my keys in the snow
The coffee was far too strong
Somebody had left the gate open
The stairs creaked under our feet
My bicycle had only three gears
The carpet was older than me
We danced in the empty hall
The doctor told us to rest
The market opens before the sun is up
A small boat was tied to the bridge
The roof leaked whenever the wind turned
We spent the whole summer near the lake
I learned to swim when I was seven
The attic was full of boxes and dust
He carried the suitcase up four flights of stairs
She wrote a short note and left it there
Our old car needed a push every morning
The fire in the stove went out before dawn
They sold honey and candles at the corner
I bought a blue coat with large buttons
The museum was closed for the whole month
We planted beans along the garden wall
The band played the same song three times
My first job was in a small bakery
The fog was so thick that we stopped walking
Every Sunday we cooked a big pot of stew
The goats ate the flowers on the balcony
I broke my arm when I fell from the wall
There is a photograph of it in the hall
We watched the boats come in at night
The postman always whistled the same tune
Work began at eight and ended at five
My desk stood next to a tall window
The salad needed more salt and less oil
I have kept that ticket in a drawer ever since
A fox crossed the path in front of us
They moved the table closer to the fire
The new lamp made the room look warmer
We counted the steps from the station to the door
The tailor mended my jacket for nothing
There was always music coming from the flat upstairs
The pond froze and we skated until our feet hurt
I read the same book three times that year
The swings in the park were painted yellow
A man with a grey beard sold roasted nuts
The football landed in the pond again
We built a small shed out of old doors
My sister wanted to be a pilot
My brother collected stamps and old coins
My mother sang while she washed the dishes
My father repaired radios in the cellar
My uncle drove a truck full of melons
My aunt kept bees and told long stories
My grandmother knitted socks for the whole family
My grandfather could whistle like a bird
The two cousins shared a room and a bicycle
The baby slept through all of it
Our dog was afraid of thunder
The horse would not cross the stream
The rabbits dug holes under the fence
An owl lived in the tower of the church
The sheep came down from the hills in autumn
Ducks nested in the reeds behind the mill
The cat brought us a mouse every morning
A swarm of bees settled on the letter box
The crows gathered on the wires before a storm
The fish in the tank were never fed on time
It was too hot to sleep that night
The wind blew sand into our sandwiches
Clouds hung over the valley for days
The first frost killed all the tomatoes
By noon the ice had melted
A rainbow stood over the car park
The heat made the tar on the road soft
The hail sounded like stones on the roof
The sun came out just after the parade
In March the fields turned bright green
The sea was calm and almost silver
The waves were higher than the wall
The sand was so hot that we had to run
We collected shells and put them in a jar
The lighthouse was painted in red and white
The harbour smelled of diesel and fish
The tide left small pools between the rocks
An old sailor taught me how to tie knots
The captain waved and we waved back
The island had one shop and no cars
The mountain path was steep and full of stones
At the top we shared an orange and some cheese
The tent was too small for the four of us
We lost the map but found a better path
The hut had no door and half a roof
The guide walked faster than all of us
My legs ached for a week afterwards
We drank water straight from the spring
The bear turned out to be a large dog
A cable car took us back to the village
School started an hour later in winter
The history lesson was always after lunch
Our class had thirty pupils and one heater
The exam was harder than anyone had expected
I sat beside a boy who could juggle
The chalk squeaked and everybody groaned
We learned poems by heart and forgot them
The school play was about a lost ring
I was the back half of a donkey
The music room had a drum without a skin
The best part of the day was the walk home
She won a prize for drawing horses
The bell rang and the yard was empty
The gym floor was as slippery as ice
I still dream about that mathematics test
Nobody could read the handwriting on the board
The headmaster kept a snake in his office
We swapped marbles and pictures of football players
The lunch was soup on every single day
Homework was something that other people did
The office was on the ninth floor
The printer had been broken since the spring
Meetings were long and the chairs were hard
Somebody always finished the milk
The manager liked plans and disliked surprises
I answered letters and made a lot of tea
The factory made spoons and nothing else
On my last day they gave me a plant
The lift stopped between two floors for an hour
We painted the office over a weekend
My boss wore the same tie for ten years
The night shift was quiet and well paid
I learned to type without looking
The computer took ten minutes to start
The project was finished a year too late
Their company sold umbrellas in the desert
The report was long and said very little
We celebrated with cake and paper hats
The new rules were soon forgotten
Lunch was the one thing we agreed about
Tomatoes taste better when they are warm from the sun
The secret of the cake was a spoon of vinegar
I burned the rice and blamed the pot
We cut the onions and cried like children
The pie was gone before the guests arrived
There is nothing like fresh bread with butter
He put so much pepper in that we all coughed
The jam was made from plums and patience
The cook tasted everything at least twice
A good knife is worth ten bad ones
Our oven was only ever hot on one side
The eggs came from the farm across the road
I cannot stand the smell of boiled cabbage
We drank cold tea with mint and lemon
The waiter forgot us and then brought two desserts
The table was set for twelve but nine came
The mushrooms were picked in the forest that morning
Every family had its own way of making dumplings
The fridge hummed louder than the radio
Pancakes were for birthdays and for bad weather
The orchestra tuned for longer than it played
I practised the violin in the bathroom
The choir met on the first Thursday of the month
The singer forgot the words and smiled
Our neighbour played the trumpet at six in the morning
The record was scratched but we loved it
The dance floor was made of old planks
The drummer was the only one who could read music
We queued all night for two tickets
The theatre smelled of dust and oranges
The film was so sad that even the usher cried
I fell asleep before the hero was born
A street artist drew me with a very large nose
The painting hung upside down for a year
The sculptor worked only when it rained
The bookshop had a ladder on wheels
I like novels in which nothing happens
The last page of the book was missing
The crossword took us the whole journey
She wrote her diary in green ink
We lost the game but not our temper
The goalkeeper was also the bus driver
I ran the race in borrowed shoes
The referee lost his whistle in the grass
The swimming pool was closed for repairs
Chess was played on every bench in the park
The ball went over the wall and never came back
We rowed across the lake in forty minutes
The skiers came down in a long line
Our team had more heart than skill
The tennis court had a hole in the net
The cyclists passed us in a cloud of colours
He could hold his breath for two minutes
The prize was a ham and a silver cup
The crowd sang long after the match was over
The plane was small and very loud
Our luggage arrived two days after us
The hotel had a view of a brick wall
The taxi driver told us about his seven daughters
We missed the last tram and walked for an hour
The map was wrong but the people were kind
The ticket machine swallowed my only note
I slept on a bench with my bag as a pillow
The conductor punched a star into each ticket
The road went through nine tunnels
The driver stopped so that we could see the sunset
A stranger paid for our coffee
The airport was bigger than my home town
We sent eleven postcards and forgot the stamps
The boat trip made everyone a little green
The guidebook was twenty years old
The border guard admired our hats
Our room had three beds and no window
The bridge had been closed since the flood
We shared the carriage with a crate of chickens
The house had thick walls and small windows
My room was under the roof
The cellar was the coolest place in July
We heated only the kitchen in those days
The wallpaper had a pattern of pale roses
The bathroom was at the end of the corridor
Someone had carved two hearts into the old oak
The gate sang when you pushed it
The chimney sweep came on a ladder twice a year
We found a bundle of letters behind the wardrobe
The curtains were made from an old wedding dress
The doorbell had not worked since the war
The mirror made everybody look taller
The sofa was too wide for the stairs
Ivy had covered the north wall completely
We whitewashed the fence every second spring
A single bulb lit the whole corridor
The neighbours shared one ladder and one wheelbarrow
The key was always under the third flowerpot
The new flat was bright but it had no soul
On Fridays the whole street smelled of fish
The fair came to town in the second week of May
The mayor opened the fountain and got wet
The clock on the tower was always four minutes slow
The barber knew all the news before the papers
Old men played cards in front of the pharmacy
The fountain was switched off in winter
A brass band marched past every first of the month
The flea market was full of lamps and lies
The bank was robbed once by a very polite man
The statue in the square had lost its sword
They turned the old mill into a school
The shoemaker gave sweets to the children
The last tram left at a quarter past eleven
The town had two churches and eleven cafes
I caught a cold and stayed in bed
The nurse had warm hands and a loud voice
The dentist hummed while he worked
The medicine tasted of liquorice and tin
My glasses were held together with tape
I could not lift my arm for a month
Sleep is the best doctor of all
The ambulance came within five minutes
Fresh air was the answer to everything
The cut healed but the scar stayed
I have never been good at saying goodbye
Some days are longer than others
It takes years to learn how to listen
You cannot hurry a good cheese
People remember songs better than speeches
The best ideas come in the bath
I count to ten before I answer
One good friend is enough for me
We never talked about money at the table
The truth is usually rather dull
It is easy to be brave in the daytime
I would not change any of it
A promise is easier to make than to keep
Nobody noticed how quickly the years went by
All of this was a long time ago
The camera had no film in it
Our tortoise was older than the house
The radio played nothing but waltzes that evening
I traded my watch for a pair of boots
The scarecrow wore my old school uniform
The kite got caught in the telegraph wires
We slept in the hay and woke with the birds
The wedding lasted for three days
The speech was short and so was the applause
Nobody had thought of bringing a corkscrew
The candles burned down to the plates
A moth circled the lamp all evening
The puppet theatre came every autumn
She could tell the time by the shadows
The well behind the barn never ran dry
He spoke to his plants every morning
The parcel had been opened and closed again
The dictionary was used to press flowers
The photographer asked us not to smile
The ice cream van played a sad little tune
"""

FILLERS: tuple[str, ...] = tuple(line for line in _TEXT.split("\n") if line)
"""The sentences, each without its full stop."""

TEMPLATES: tuple[str, ...] = (
    "{name} came to visit us in {month}",
    "Then {name} lost a shoe",
    "I met {name} at the {place}",
    "{name} worked at the {place} for a while",
    "In {month} the {place} was full of people",
    "{name} and I used to meet near the {place}",
    "There was a {place} at the end of our street",
    "{name} baked a cake for my birthday in {month}",
    "We waited for {name} in front of the {place}",
    "{name} never arrived on time",
    "The {place} was closed in {month}",
    "{name} taught me how to ride a bicycle",
    "I still write to {name} every {month}",
    "{name} lent me a book about the stars",
    "Behind the {place} there was a row of old trees",
    "{name} laughed at all my jokes",
    "One day in {month} the {place} caught fire",
    "{name} had a dog called Biscuit",
)
"""Sentences with slots for people, places and months, used beside the others."""

PLACES: tuple[str, ...] = (
    "station", "library", "bakery", "harbour", "theatre", "school", "market", "museum", "park", "hospital", "cinema",
    "post office", "bridge", "swimming pool", "church", "factory", "bookshop", "castle", "bus stop", "town hall",
)  # fmt: skip

MONTHS: tuple[str, ...] = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
