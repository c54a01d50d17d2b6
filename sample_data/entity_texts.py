"""The hand-written matter of `sample_data.entities`: templates, word lists, and annotated sentences.

Templates and sentences share a notation. `{PER}` is a place for a name of that kind, `{PER Ada Lovelace}` is a name that
stands there, `[may|will]` is a choice. All of it was written for this project.
"""

from __future__ import annotations

TEMPLATES: tuple[str, ...] = tuple(
    """
{PER} was born in {CITY} in {YEAR} and [moved|emigrated|went] to {COUNTRY} as a child.
{PER} ({YEAR}–{YEAR}) was a {NAT} {JOB} [who worked mainly in|best known for her years in|active in] {CITY}.
[Shares|Bonds] of {ORG} [fell|rose|dropped] {NUM} percent on {WEEKDAY} after the {JOB} resigned.
{COMPANY} said [on {WEEKDAY}|in {MONTH}|] that it [will|may] close its plant in {CITY} and cut {NUM} jobs.
"We had no choice," said {PER}, who has run {COMPANY} since {YEAR}.
"I did not expect that," {LAST} told reporters in {CITY}.
The {JOB} of {ORG}, {PER}, declined to [comment|answer|speak].
Dear {FIRST}, thank you for your [letter|order|call] of {DATE}.
Hi {FIRST}, [can you|could you please] send the [figures|slides|contract] to {PER} before {WEEKDAY}?
{PER} joined {ORG} [in {YEAR}|on {DATE}|] and now leads its office in {CITY}.
The train from {CITY} to {CITY} [leaves at {TIME}|was late again|runs twice a day].
From {CITY} we drove along the {NATURE} until we reached {CITY}.
The exhibition opens on {DATE} at the {AGENCY} in {CITY}.
In {YEAR}, {PER} and {PER} founded {COMPANY} in a garage [in|near|outside] {CITY}.
{CLUB} beat {CLUB} {SCORE} [in {CITY} on {WEEKDAY}|last night|after extra time].
{LAST} scored twice as {CLUB} won {SCORE} away at {CLUB}.
After the match, {PER} [praised|thanked|blamed] the supporters of {CLUB}.
{PER} studied [chemistry|law|music|history] at the {UNI} before [joining|moving to] {ORG}.
Professor {LAST} of {UNI} [led|designed|reviewed] the study, which was published [in {MONTH}|on {DATE}].
The [contract|agreement|treaty] between {COUNTRY} and {COUNTRY} was signed [in {CITY}|on {DATE}].
{COUNTRY} [may|will|could] [raise|cut|drop] taxes on [steel|wheat|paper|cotton] from {COUNTRY}.
Voters in {COUNTRY} go to the polls on {DATE}.
The {JOB} flew to {CITY} on {WEEKDAY} to meet {PER}.
President {LAST} [left|visited|arrived in] {COUNTRY} [on {WEEKDAY}|late at night|with a small staff].
Have you heard from {FIRST}? She was supposed to be in {CITY} [by now|since {WEEKDAY}].
My [aunt|uncle|neighbour|cousin] {FIRST} still lives in {STREET}, next to the [bakery|old mill|post office].
{PER}'s [new novel|second album|first film] is set in {CITY} [in the winter of {YEAR}|during the war|].
[Directed|Written|Produced] by {PER}, the film [stars|features] {PER} and {PER}.
The {NATURE} rises [in|north of] {LOC} and flows through {CITY} [into the sea|before it turns south].
{NATURE} is the highest [mountain|peak] in {LOC}.
We spent [two weeks|a month|our honeymoon] in {LOC}, mostly [hiking|swimming|reading].
Flights to {CITY}, {CITY} and {CITY} were cancelled [because of fog|on {WEEKDAY}].
A [storm|flood|fire] [destroyed|damaged] {NUM} houses near {CITY}, {COUNTRY}, on {DATE}.
The [court|jury] in {CITY} [ordered|asked|told] {COMPANY} to pay {MONEY} to {PER}.
{PER} v. {ORG} was decided [in {YEAR}|on {DATE}].
{PER} sued {ORG} for {MONEY} [in {MONTH}|last year|].
{COMPANY} bought {COMPANY} for {MONEY} [in {YEAR}|in cash|].
{COMPANY} and {COMPANY} will merge [in {MONTH}|by {DATE}|next year], {PER} [said|confirmed].
[Analysts|Economists] at {ORG} [expect|see] growth of {NUM} percent in {COUNTRY}.
Invoice {NUM} from {COMPANY} is due on {DATE}.
Please ship [two boxes|the parcel|{NUM} copies] to {PER}, {NUM} {STREET}, {CITY}.
{PER}, {NUM} {STREET}, {CITY}, {COUNTRY}
The meeting with {ORG} has been moved [from {DATE} |]to {DATE}.
Our next [meeting|lesson|rehearsal] is on {DATE} at {TIME} in the [library|town hall|Blue Room].
On {DATE}, the {NAT} {JOB} {PER} [climbed|crossed|mapped] the {NATURE}.
{NAT} [cheese|food|wine|music] is popular in {CITY}[, too|].
The [recipe|song|legend] comes from {LOC}, where it is [eaten|sung|told] every [spring|winter].
A pinch of salt, a [spoon of honey|cup of rice|clove of garlic] and a bay leaf are all you need.
Bring the soup to the boil, [then|and] turn down the heat and let it [rest|simmer] for {NUM} minutes.
The new {PRODUCT} has a [brighter screen|better camera|larger battery] than the old one.
{COMPANY} unveiled the {PRODUCT} in {CITY} on {DATE}.
My {PRODUCT} stopped [working|charging] after [a week|the last update]; {COMPANY} never replied.
I bought the {PRODUCT} [two years ago|on sale] and would [buy|recommend] it again.
Five stars: {FIRST} at the front desk was [kind|helpful|patient], and the room was clean.
The staff at {ORG} lost my [suitcase|papers|ticket] in {CITY}.
Turkey, stuffing and cranberry sauce will be served [at noon|in the hall].
He keeps the good china in the [cupboard|attic], wrapped in newspaper.
The apple tree in the garden may not [bear fruit|survive] this year.
An orange, an apple and a [pear|plum] lay on the table.
It may rain, but we will march [to the square|through the park] all the same.
In hope of a better harvest, the farmers will mark each field with a [rose|white stone].
The bill for the repairs was [higher|lower] than we had hoped.
To be frank, the [target|plan] was never realistic.
You will need a visa, a passport and [patience|two photographs].
A shell, a cork and a [reading lamp|piece of string]: that was all she found in the drawer.
Nice people, a warm bath and a [polish|coat of paint] for the old car: what a weekend.
The Prime Minister and the Foreign Secretary [met|spoke] on {WEEKDAY}.
The Board of Directors [will|may] meet [in {MONTH}|next week] to discuss the Annual Report.
Terms and Conditions apply; see the User Manual for [details|Safety Information].
Chapter {NUM}: How to Choose a [Bicycle|Mortgage|Garden Shed]
Breaking News: {PER} [resigns|wins|arrested] in {CITY}
{CITY}: {JOB} [found|missing|rescued] after [storm|long search]
{NAT} {JOB} {PER} wins [gold|silver|first prize] in {CITY}
[Weather|Outlook] for {WEEKDAY}: rain in {CITY}, sunny spells in {CITY} and {LOC}.
The [lake|river|bay] froze in the winter of {YEAR}, and people [walked|skated] from {CITY} to {CITY}.
In {MONTH} {YEAR}, {NAT} [troops|ships|engineers] [left|reached] {CITY}.
[King|Queen|Emperor|Saint] {FIRST} [died|was crowned] in {CITY} on {DATE}.
The [battle|siege|treaty] of {CITY} [ended|began] on {DATE}.
[Before|After] the war {PER} [worked|taught|wrote] for {ORG} in {CITY}.
According to {ORG}, [prices|rents|wages] in {CITY} have doubled since {YEAR}.
Figures from the {AGENCY} show that {NUM} people left {LOC} in {YEAR}.
The {AGENCY} [warned|announced|said] on {WEEKDAY} that the [bridge|dam|reactor] is [safe|unsafe].
A spokeswoman for {ORG}, {PER}, said the [talks|strike|search] would go on.
"{FIRST}, have you seen my [keys|glasses|umbrella]?" asked {FIRST}.
{FIRST} and {FIRST} got married in {LOC} [last spring|in {MONTH}|on {DATE}].
{FIRST} laughed. "You will never [get|drive|swim] to {CITY} in that [car|coat]!"
When {FIRST} was {NUM}, the family left {CITY} for good.
Nobody knew why {PER} had come back to {LOC}.
There was a letter from {PER} on the [table|mat], posted in {CITY} on {DATE}.
Mr {LAST} closed the [door|window] and [sighed|said nothing].
Mrs {LAST} and Dr {LAST} [arrived|left] together, to everyone's surprise.
"Good morning, Miss {LAST}," said the {JOB}.
Captain {LAST} had [sailed|flown] to {LOC} [many times|only once].
Dr. {PER} [retired|died|returned] in {YEAR}[, aged {NUM}|].
[Tickets|Seats] for {PER} at the {VENUE} are sold out.
The {VENUE}, [built|opened|rebuilt] in {YEAR}, was designed by {PER}.
Turn left at {STREET}, cross the bridge, and you will see the {VENUE} [ahead|on your right].
The [bus|tram] stops at {STREET}, {STREET} and the {VENUE}.
She [swam|paddled|sailed] across the {NATURE} in {NUM} hours.
The earthquake was felt as far away as {CITY} and {LOC}.
[Scientists|Researchers] from {UNI} and {ORG} have found water on a distant planet.
The [study|survey], led by {PER} ({UNI}), followed {NUM} children in {COUNTRY}.
{LAST} et al. ({YEAR}) [report|found] a similar effect.
As {LAST} ({YEAR}) points out, this [does not hold|is hard to measure] in practice.
This work was supported by {ORG} and the {AGENCY}.
{PER} received her doctorate from {UNI} in {YEAR}.
The [prize|medal|scholarship] went to {PER} of {COUNTRY}, with {PER} of {COUNTRY} second.
{PER} ({COUNTRY}) [beat|lost to] {PER} ({COUNTRY}) {SCORE}.
{CLUB} have signed {PER} from {CLUB} for {MONEY}.
{CLUB}'s {LAST} was sent off [before half-time|for a foul on {LAST}].
The [coach|captain] of {COUNTRY}, {PER}, has [named|picked] his squad for {MONTH}.
He has [played|worked|lived] in {COUNTRY}, {COUNTRY} and, briefly, {COUNTRY}.
{ORG} is [looking for|hiring] a {JOB} in {CITY}; apply by {DATE}.
I [worked|trained] as a {JOB} at {ORG} from {YEAR} to {YEAR}.
Since {MONTH} {YEAR}: {JOB}, {ORG}, {CITY}
References: {PER}, {ORG}; {PER}, {UNI}
Contact {PER} [at|in] our {CITY} office [for details|by {WEEKDAY}].
To: {PER}, From: {PER}, Subject: [Budget|Travel Plans|New Logo] for {MONTH}
Reminder: {FIRST}'s [birthday|exam|appointment] is on {DATE}.
Call {FIRST} about the [tickets|boiler|keys], buy milk, pay {COMPANY}.
Book a table for [two|six] on {DATE} under the name {LAST}.
Play the latest album by {PER}.
What is the weather like in {CITY} on {WEEKDAY}?
How far is it from {CITY} to {CITY}?
Who was {PER}, and why did {COUNTRY} [ban|honour] {PRON}?
Is {COMPANY} still based in {CITY}?
When did {PER} leave {ORG}?
Wake me at {TIME} on {WEEKDAY}, please.
[Police|Customs officers] in {CITY} arrested {PER}, {NUM}, on {DATE}.
{PER}, {NUM}, of {STREET}, {CITY}, [denies|admitted] the charge.
The suspect, named as {PER}, was [last seen|arrested] in {LOC}.
Witnesses said {LAST} [ran|drove] towards {STREET}.
[Senator|Minister|Judge|Mayor|Bishop] {PER} [opposes|supports|drafted] the bill.
The mayor of {CITY}, {PER}, [opened|closed] the {VENUE} on {DATE}.
The [ambassador|envoy|delegation] of {COUNTRY} to {COUNTRY} [left|arrived] on {DATE}.
{COUNTRY}, {COUNTRY} and {COUNTRY} share a border along the {NATURE}.
{CITY} is the [capital|largest city|main port] of {COUNTRY}.
{CITY} [is twinned with|competes with|lies across the water from] {CITY}.
Like {CITY}, {CITY} was founded by {NAT} [traders|monks|settlers].
The {NAT} {JOB} {PER} [teaches|teaches piano|lives] in {CITY}.
{PER} speaks {NAT}, {NAT} and a little {NAT}.
It took {COMPANY} [years|{NUM} months] to [finish|repair] the [bridge|tunnel] in {LOC}.
Without {PER}, there would be no {COMPANY} today.
Thanks to {FIRST}, the [dog|boat|wedding] was saved.
Unlike her brother {FIRST}, {PER} never [left|liked] {CITY}.
[Both|Neither] {ORG} [and|nor] {ORG} [replied|wanted to comment].
Either {FIRST} or {FIRST} will [meet you|be waiting] in {CITY}.
{ORG}, {ORG} and {ORG} [signed|rejected] the open letter.
Among the guests were {PER}, {PER} of {ORG}, and the {JOB} {PER}.
A [statue|portrait|bust] of {PER} stands in front of the {VENUE} in {CITY}.
The ship left {CITY} on {DATE} and reached {CITY} [in {MONTH}|on {DATE}].
On the morning of {DATE} the {JOB} {PER} was found [asleep|unharmed] in {STREET}.
By {YEAR} the [village|company|school] had {NUM} [members|houses|employees].
It was in {CITY} that {PER} first met {PER}.
[Once a|No longer a] {JOB}, {PER} now [bakes bread|keeps bees|drives a taxi] in {LOC}.
The river was high, the road was closed, and {FIRST} was [late|tired].
The last chapter, on [honey bees|railways|glass], is by {PER}.
The manuscript is kept at the {AGENCY}, {CITY}.
First [edition|printing]: {CITY}, {YEAR}.
{PER}: [Letters from|A Summer in|The Road to] {LOC}. {CITY}, {YEAR}.
Photo: {PER}/{ORG}
Copyright {YEAR} {COMPANY}. All rights reserved.
{COMPANY}, {CITY}
[Founded|Established] in {YEAR}, {ORG} has offices in {CITY}, {CITY} and {CITY}.
With {COMPANY} gone, [half of {CITY}|the valley] is out of work.
{COMPANY}'s [profits|sales|losses] in {COUNTRY} [rose|doubled|shrank] in {YEAR}.
Our [supplier|bank|insurer], {COMPANY}, has raised its prices again.
The patient, {PER}, was [admitted|seen] on {DATE} by Dr {LAST}.
The patient was given {NUM} mg of the drug [twice a day|for a week] and felt better.
Wash at 40 degrees; do not bleach, [iron|tumble dry] on low heat.
If the light is red, press [Start|Reset|Power] and wait {NUM} seconds.
The cat slept [on the sofa|in the sun] while the [children|twins] played outside.
Most [birds|whales|butterflies] of this kind [travel|move] south in [autumn|spring].
[Love|Music|Silence] is, in the end, what he [missed|wanted] most.
The [Minister|Director|Chairman] had no time for [Questions|the press].
Every {WEEKDAY} is the same: coffee, [email|traffic], coffee.
The [black|Black] [rhino|bear] is [rare|shy], said the {JOB}.
""".strip().splitlines()
)
"""One sentence form a line. Whole lines are held out."""

LISTS: dict[str, str] = {
    "WEEKDAY": "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday",
    "MONTH": "January|February|March|April|May|June|July|August|September|October|November|December",
    "NAT": "French|German|Turkish|Chilean|Indian|Polish|British|American|Swedish|Kenyan|Japanese|Italian|Spanish|Dutch|"
    "Egyptian|Korean|Danish|Irish|Greek|Brazilian|Mexican|Russian|Chinese|Canadian|Norwegian|Welsh|Finnish",
    "JOB": "painter|engineer|lawyer|nurse|chemist|goalkeeper|poet|singer|driver|baker|chief executive|finance minister|"
    "teacher|tailor|geologist|pilot|actor|composer|architect|surgeon|photographer|gardener|journalist|sculptor|historian|"
    "cook|physicist|carpenter|librarian|violinist|economist|plumber|translator|police officer|novelist|sales manager|cyclist",
    "PRODUCT": "Photon 7|AquaPhone|TrailRunner Pro|Model K|SilentDrive|Galaxy Pen|BrightCam 300|Pocket Radio|SkyTab|Vario Mini|"
    "Comet S2|EcoWash 900|Nimbus|CloudBook Air|Turbo Mixer|Ranger XL|Zoomer|Solo Watch|Aurora Lamp|CityBike 5",
    "PRON": "him|her",
    "TIME": "9:30|noon|six o'clock|17:45|half past two|8 pm|midnight|11:05",
    "SCORE": "2–1|3–0|1–0|4–2|78–65|6–4, 6–3|21–17|2-2|5-1",
    "MONEY": "$2 million|3.5 billion euros|£40,000|a record sum|€120|90 million pounds|$1.2bn|two million crowns",
}
"""Words that are no entities, and the calendar's."""

VENUES: str = (
    "{P} Hall|{P} Stadium|{P} Theatre|{P} Arena|{P} Park|{P} Bridge|{P} Castle|{P} Square|{P} Station|{P} Airport|"
    "{P} Gardens|{P} Cathedral|{P} Tower|{P} Palace|{P} Pier"
)
STREETS: str = (
    "{P} Street|{P} Road|{P} Avenue|{P} Lane|High Street|{P} Hill|Station Road|Church Lane|{P} Square|Rue {P}|{P} Close|"
    "{P}straße|Via {P}|Old {P} Road|Market Street|{P} Boulevard|King Street|Mill Lane|{P} Drive"
)
NATURE: str = (
    "Rhine|Danube|Nile|Amazon|Thames|Ganges|Mekong|Volga|Po|Loire|Seine|Elbe|Mississippi|Congo|Zambezi|Tagus|Douro|Oder|"
    "Lake {P}|Mount {P}|{P} Valley|{P} River|Gulf of {P}|{P} Desert|Alps|Andes|Pyrenees|Baltic|Pacific|Atlantic|"
    "Himalayas|Sahara|Bay of {P}|Cape {P}|{P} Mountains|{P} Forest|{P} Islands|Indian Ocean|North Sea|Black Sea|"
    "Adriatic|Carpathians|Hudson|Rhône|Severn|Clyde|Ebro|Vistula|Tigris|Euphrates|Strait of {P}|Isle of {P}|"
    "Rocky Mountains|Lake Victoria|Mount Kenya|Kilimanjaro|Everest|Mont Blanc|Etna|Vesuvius|Fuji|English Channel|"
    "Caspian Sea|Dead Sea|Mediterranean|Arctic|Gobi|Kalahari|Yangtze|Potomac|Colorado|Rio Grande|Lake Geneva|Lake Como"
)
"""Rivers, mountains, seas. {P} stands for a made or real place name."""

REGIONS: str = (
    "Europe|Asia|Africa|South America|North America|Australia|Oceania|Antarctica|Scandinavia|the Balkans|the Midlands|"
    "Bavaria|Saxony|Brittany|Normandy|Tuscany|Sicily|Sardinia|Andalusia|Catalonia|Galicia|Provence|Burgundy|Alsace|Tyrol|"
    "Cornwall|Kent|Essex|Sussex|Yorkshire|Devon|Wales|Scotland|England|Northern Ireland|Texas|Ohio|Nevada|Oregon|Utah|"
    "California|Florida|Alaska|Georgia|Virginia|Kansas|Vermont|Montana|Quebec|Ontario|Alberta|Punjab|Kerala|Bengal|"
    "Gujarat|Hokkaido|Siberia|Crimea|Patagonia|Anatolia|the Middle East|Central Asia|Lapland|Bohemia|Moravia|Silesia|"
    "Transylvania|Macedonia|Tasmania|Queensland|Victoria|New South Wales|Zanzibar|Java|Sumatra|Bali|Borneo|Corsica|Crete|"
    "Majorca|Hawaii|Maine|Arizona|Michigan|Minnesota|Louisiana|Tennessee|Carolina|Dakota|Wessex|Flanders|Wallonia|Zeeland"
)

PLACES: str = (
    "London|Paris|Berlin|Madrid|Rome|Vienna|Prague|Budapest|Warsaw|Lisbon|Dublin|Brussels|Amsterdam|Copenhagen|Oslo|"
    "Stockholm|Helsinki|Athens|Istanbul|Moscow|Kyiv|Cairo|Lagos|Nairobi|Cape Town|Johannesburg|Delhi|Mumbai|Kolkata|"
    "Beijing|Shanghai|Tokyo|Osaka|Kyoto|Seoul|Singapore|Bangkok|Jakarta|Manila|Sydney|Melbourne|Perth|Auckland|"
    "New York|Boston|Chicago|Houston|Dallas|Seattle|Denver|Phoenix|Detroit|Toronto|Montreal|Vancouver|Ottawa|"
    "Mexico City|Lima|Bogotá|Santiago|Buenos Aires|Rio de Janeiro|São Paulo|Havana|Caracas|Quito|Reading|Bath|Nice|"
    "Cork|Hull|Split|Mobile|Bologna|Washington|Lincoln|Jackson|Florence|Charlotte|Chelsea|Austin|Orlando|Milan|Verona|"
    "Vienna|Chester|Kent|Victoria|Hamilton|Wellington|Nelson|Houston|Madison|Lourdes|Adelaide|Alexandria|Sofia|Santa Fe|"
    "San Francisco|Los Angeles|San Diego|Philadelphia|Miami|Atlanta|New Orleans|Salt Lake City|Manchester|Liverpool|"
    "Birmingham|Leeds|Bristol|Glasgow|Edinburgh|Cardiff|Belfast|Oxford|Cambridge|York|Munich|Hamburg|Cologne|Frankfurt|"
    "Leipzig|Dresden|Lyon|Marseille|Bordeaux|Toulouse|Lille|Geneva|Zurich|Basel|Turin|Naples|Venice|Genoa|Palermo|"
    "Barcelona|Seville|Valencia|Bilbao|Porto|Rotterdam|The Hague|Utrecht|Antwerp|Ghent|Bruges|Kraków|Gdańsk|Brno|Riga|"
    "Vilnius|Tallinn|Minsk|Odessa|Tbilisi|Baku|Tehran|Baghdad|Damascus|Beirut|Jerusalem|Tel Aviv|Dubai|Doha|Riyadh|"
    "Karachi|Lahore|Kabul|Dhaka|Kathmandu|Hanoi|Hong Kong|Taipei|Brisbane|Accra|Dakar|Kampala|Addis Ababa|Casablanca|"
    "Tunis|Algiers|Tripoli|Khartoum|Harare|Durban|Pretoria|Reykjavik|Bergen|Gothenburg|Malmö|Aarhus|Turku|Tampere"
)
"""Cities, among them such as are also words, first names and last names."""

BOTH: str = (
    "Jordan|Paris|Sydney|Florence|Victoria|Georgia|Charlotte|Chelsea|Austin|Lincoln|Jackson|Washington|Milan|Chester|"
    "Kent|Hamilton|Nelson|Madison|Adelaide|Sofia|Lourdes|Carolina|Virginia|Israel|Chad|Dakota|Savannah|Orlando|Dallas|"
    "Houston|Phoenix|Santiago|Valencia|Verona|London|Berlin|Ireland|France|Holland|English|Kenya|India|Asia|Brooklyn"
)
"""Names of persons that are places too."""

WORD_NAMES: str = (
    "Mark|Will|Rose|Grace|Bill|Frank|Hope|Joy|May|April|June|August|Jack|Rob|Grant|Chase|Dawn|Iris|Ivy|Pearl|Sunny|Rich|"
    "Faith|Ruby|Violet|Heather|Summer|Autumn|Art|Gene|Pat|Sue|Drew|Miles|Hunter|Robin|Olive|Jasmine|Ray|Max|Ash|Penny"
)
"""First names that are words too; an uncased model sees no difference."""

WORD_LAST_NAMES: str = (
    "Young|Brown|White|Black|Green|King|Bishop|Baker|Cook|Smith|Carpenter|Fisher|Hill|Wood|Stone|Field|Brook|Rivers|"
    "Lake|Marsh|Bush|Rice|Bell|Price|Love|Long|Short|Sharp|Swift|Church|Park|Bond|Banks|Ford|Cash|Dean|Pope|Knight|Day|"
    "Winter|Frost|Snow|Weeks|Monday|Little|Best|Reading|Cork|Nice|Wolf|Fox|Hawk|Crane|Drake|Peacock|Hood|Case|Page|Bloom"
)

WORLD_NAMES: str = (
    "Wei Zhang|Li Na|Yuki Tanaka|Haruto Sato|Kenji Watanabe|Min-jun Kim|Ji-woo Park|Soo-jin Lee|Chen Wei|Wang Fang|"
    "Nguyen Van Minh|Tran Thi Lan|Ahmed Hassan|Fatima al-Zahra|Omar Farouk|Leila Haddad|Mohammed Khan|Aisha Bello|"
    "Chinua Okafor|Ngozi Eze|Kwame Mensah|Ama Owusu|Thabo Nkosi|Zanele Dlamini|Abebe Bekele|Tigist Alemu|Olga Ivanova|"
    "Sergei Petrov|Dmitri Volkov|Natasha Smirnova|Viktor Shevchenko|Ivan Kovalenko|Arjun Mehta|Priya Raman|Ravi Shankar|"
    "Anjali Gupta|Hamid Karimi|Shirin Moradi|Elif Yilmaz|Mehmet Demir|Siti Rahma|Budi Santoso|Jose Rizal|Maria Santos|"
    "Albert Einstein|Marie Curie|Isaac Newton|Charles Darwin|William Shakespeare|Wolfgang Amadeus Mozart|Frida Kahlo|"
    "Nelson Mandela|Mahatma Gandhi|Winston Churchill|Abraham Lincoln|George Washington|Barack Obama|Angela Merkel|"
    "Cleopatra|Napoleon|Julius Caesar|Aristotle|Plato|Socrates|Galileo|Leonardo da Vinci|Vincent van Gogh|Picasso|"
    "Ludwig van Beethoven|Johann Sebastian Bach|Charles Dickens|Virginia Woolf|Leo Tolstoy|Franz Kafka|Victor Hugo|"
    "Serena Williams|Roger Federer|Usain Bolt|Lionel Messi|Pelé|Muhammad Ali|Amelia Earhart|Neil Armstrong|Yuri Gagarin"
)

COMPANIES: str = (
    "Siemens|Nokia|Toyota|Honda|Volvo|Ericsson|Philips|Sony|Samsung|Microsoft|Google|Amazon|Apple|Intel|Oracle|Shell|BP|"
    "Orange|Target|Visa|Gap|Ford|Boeing|Airbus|Tesla|Nike|Adidas|Puma|Bayer|Nestlé|Unilever|Danone|Heineken|Carlsberg|"
    "Deutsche Bank|Barclays|HSBC|Santander|Credit Suisse|Goldman Sachs|JP Morgan|Morgan Stanley|Lufthansa|Ryanair|"
    "British Airways|Air France|KLM|Qantas|Emirates|Netflix|Disney|Spotify|Twitter|Facebook|IBM|Hewlett-Packard|Dell|"
    "General Motors|General Electric|Volkswagen|Renault|Peugeot|Fiat|Ferrari|BMW|Mercedes-Benz|Procter & Gamble|"
    "Johnson & Johnson|Pfizer|Novartis|Roche|AstraZeneca|Glencore|Rio Tinto|Vodafone|Telefónica|Walmart|Tesco|Ikea|Lidl|"
    "Aldi|Carrefour|Zara|Uber|Airbnb|Huawei|Alibaba|Tencent|Xiaomi|Lenovo|Hyundai|Kia|LG|Panasonic|Hitachi|Canon|Nikon|"
    "Mitsubishi|Nintendo|Tata|Infosys|Reliance|Gazprom|Aramco|Petrobras|Chevron|Exxon|Starbucks|McDonald's|Coca-Cola|Pepsi"
)
AGENCIES: str = (
    "Ministry of {F}|Department of {F}|National Institute of {F}|{P} Museum|Museum of {F}|{P} City Council|Royal Society|"
    "World Bank|European Union|European Commission|World Health Organization|Red Cross|Supreme Court|National Gallery|"
    "House of Commons|Senate|Central Bank of {P}|{P} Symphony Orchestra|{P} Police|Bank of {P}|National Bank of {P}|"
    "{P} Weather Service|Institute of {F}|Academy of {F}|Federal Office of {F}|{P} National Library|{P} Chamber of Commerce|"
    "Labour Party|Green Party|Liberal Party|Communist Party|Democratic Party|{P} Post|{P} Times|{P} Herald|{P} Gazette|"
    "International Monetary Fund|Securities and Exchange Commission|Royal Academy of {F}|{P} Council for {F}|"
    "{P} Centre for {F}|Federation of {F}|Union of {F} Workers|Guild of {F}|{P} Philharmonic|{P} Opera|{P} Zoo"
)
ACRONYMS: str = (
    "NASA|FBI|CIA|NATO|UNESCO|UN|WHO|EU|BBC|CNN|CERN|ESA|IMF|OPEC|FIFA|UEFA|WTO|OECD|IBM|MIT|NHS|Interpol|Greenpeace|"
    "Amnesty International|Oxfam|Reuters|Unicef"
)
FIELDS: str = (
    "Health|Defence|Justice|Finance|Agriculture|Education|Transport|Energy|Labour|Culture|Trade|Science|Statistics|"
    "Fisheries|Modern Art|Natural History|Music|Design|Physics|Public Works|Foreign Affairs|Housing|Forestry|Textile|Mining"
)
BUSINESSES: str = (
    "{N} Bank|{N} Airlines|{N} Motors|{N} Foods|{N} Energy|{N} Software|{N} & Sons|{N} Brothers|{N} Group|{N} Holdings|"
    "{N} Pharmaceuticals|{N} Logistics|{N} Publishing|{N} Records|{N} Insurance|{N} Systems|{N} Partners|{N} and {N}|"
    "{N} & {N}|{N} Ltd|{N} Inc.|{N} GmbH|{N} AG|{N} SA|{N} Steel|{N} Mining|{N} Brewery|{N} Hotels|{N} Media|{N} Capital|"
    "{N} Technologies|{N} Labs|{N} Oil|{N} Railways|{N} Shipping|{N} Consulting|{N} Bakery|{N} Books|{N} Telecom|"
    "{N} Construction|{N}, {N} and {N}|{N}-{N}|{N} Corporation|{N} Corp|{N} Robotics|{N} Supermarkets|The {N} Company"
)
CLUBS: str = (
    "{P} United|{P} City|{P} Rovers|FC {P}|Real {P}|Sporting {P}|{P} Wanderers|{P} Town|{P}|{P}|{P} Tigers|{P} Eagles|{P} FC|"
    "{P} Bulls|Dynamo {P}|{P} Athletic|{P} Giants|{P} Lions|{P} Rugby Club|Borussia {P}|{P} Bears|{P} Hawks"
)
UNIVERSITIES: str = (
    "University of {P}|{P} University|{P} College|Technical University of {P}|{P} State University|{P} Institute of Technology|"
    "{P} Medical School|St {F1}'s College|{L} University|{L} College|{P} School of Economics|{L} Business School|Harvard|"
    "Oxford University|Stanford|Yale|Princeton|Sorbonne|Cambridge University|ETH Zurich|King's College London"
)
SYLLABLES: tuple[str, str, str] = (
    "al ar be bri ca cor de do el en fa fer gra hex in ka ker lo lu ma me mo na ne no or pa pri qua ra ro sa se sol su ta te "
    "tri u va ve vi xe za ze zo",
    "ba co da di fi ga go la li lo ma mi na no po ra ri ro sa si ta ti to va vi",
    "bit cor dex dyne fix gen is ix lab lia line lux mart max na nex nova on ora os pay ra ro soft sys tec tek tra tron um us via xa",
)
"""Beginnings, middles and ends of invented company names."""

BY_HAND: tuple[str, ...] = tuple(
    """
When {PER Ada Lovelace} met {PER Charles Babbage} at a party in {LOC London}, she was seventeen.
{PER Marie Curie} left {LOC Warsaw} for {LOC Paris} in {DATE 1891} with very little money.
The {ORG Royal Society} rejected his first paper, but printed the second in {DATE May 1672}.
Shipping on the {LOC Suez Canal} resumed on {DATE Monday} after tugs freed the stranded vessel.
{ORG Nokia} made rubber boots long before it made telephones.
Nobody at {ORG Lehman Brothers} slept much that weekend.
I grew up in a village near {LOC Zagreb}, where my grandfather kept bees.
Ask {PER Priya}; she knows the password.
We are out of milk, bread and, as usual, patience.
The committee will not meet again before the summer break.
{PER Jordan} passed the salt without a word.
The {LOC River Jordan} is much narrower than most visitors imagine.
King {PER Abdullah} rarely leaves {LOC Jordan} in winter, a palace aide said.
In {DATE June} the swifts return, and by {DATE August} they have gone.
{PER June} told me that {PER April} would be late.
You may go now, but march straight home.
He ate an apple while the new computer started.
{ORG Apple} will replace the batteries free of charge until {DATE December 2019}.
A fire on the {LOC Amazon} can be seen from space.
{ORG Amazon} delivered the lamp to the wrong flat, twice.
Officials from {ORG UNESCO} inspected the cracks in the bell tower on {DATE 12 March}.
The sonata, long thought lost, turned up in an attic in {LOC Leipzig}.
{PER Clara Schumann} performed it in {LOC Vienna} in the spring of {DATE 1838}.
At half past nine the lights went out all over {LOC Lagos}.
"You have my word," {PER Okonkwo} said, and put down the receiver.
{LOC Peru} beat {LOC Chile} on penalties after a goalless evening in {LOC Lima}.
Substitute {PER Ines Duarte} headed the winner for {ORG Benfica} deep into stoppage time.
Shares in {ORG Boeing} slid 4% in early trading.
The merger of {ORG Kraft} and {ORG Heinz} created one of the largest food groups in the world.
Dear Sir or Madam, I am writing to complain about the noise.
Dear Mrs {PER Whitcombe}, your new spectacles are ready.
Please note that our {LOC Bristol} branch is closed from {DATE 24 December} onwards.
Best wishes, {PER Tomasz} and {PER Ewa}
From: {PER Henrik Lund}. To: all staff. Subject: coffee machine.
The minutes were taken by {PER R. Patel} and approved without changes.
Flour, butter and sugar go into the bowl first; the eggs come last.
Preheat the oven to 180 degrees and grease two small tins.
This soup was my lunch every {DATE Friday} when I worked in {LOC Seoul}.
The hotel is a ten-minute walk from {LOC Gare du Nord} and smells faintly of cigarettes.
Avoid the rooms that face {LOC Baker Street}.
{PER Marco}, our guide, knew every stone of {LOC Pompeii}.
Take the ferry to {LOC Hvar}, not the bus.
{LOC Mount Erebus} is the southernmost active volcano on Earth.
Salmon no longer swim up the {LOC Thames} as far as {LOC Oxford}.
{PER Roald Amundsen} reached the {LOC South Pole} on {DATE 14 December 1911}.
Five weeks later {PER Scott} found the tent and the flag.
The telescope on {LOC Mauna Kea} has been idle since the protests began.
Researchers at {ORG CERN} switched the beam off for the winter.
The vaccine was tested on 3,000 volunteers in {LOC Kenya} and {LOC Ghana}.
Dr {PER Amina Yusuf} of {ORG Makerere University} called the result encouraging.
The drug has no effect on mice, let alone on people.
A paper in {ORG Nature} last week says otherwise.
{PER Einstein} hated the idea all his life.
The court held that {ORG Uber} drivers are workers.
In {PER Donoghue} v {PER Stevenson} the trouble began with a snail in a bottle.
The accused was seen leaving {LOC Albert Road} shortly before midnight.
Judge {PER Elena Kovacs} adjourned the hearing until {DATE Tuesday}.
{ORG Greenpeace} has sued the {ORG Ministry of Agriculture} over the new pesticide rules.
Turnout in {LOC Slovakia} was the lowest since {DATE 1993}.
The {ORG Labour Party} lost three seats in {LOC Wales}.
{PER Golda Meir} was a schoolteacher in {LOC Milwaukee} before she went into politics.
The senator from {LOC Vermont} voted against it, as did every member of the {ORG Green Party}.
After the treaty of {DATE 1648}, {LOC Switzerland} was left alone.
The monks of {LOC Lindisfarne} fled with their books in {DATE 875}.
{PER Genghis Khan} never saw {LOC Beijing} rebuilt.
{LOC Constantinople} fell on {DATE 29 May 1453}.
Slavery was abolished in {LOC Brazil} only in {DATE 1888}.
My great-grandmother sailed from {LOC Cork} to {LOC Boston} on a coal ship.
The roof leaks, the boiler is broken and the landlord lives abroad.
"Is that you, {PER Grace}?" called a voice from the landing.
With grace and a little luck, she kept the plates from falling.
{PER Will} will drive {PER Rose} to the station.
They will mark the spot with a white rose.
{PER Mark Fisher} owes me forty pounds.
A fisher of men, the vicar called himself, only half in jest.
Old {PER Fezziwig} danced until the fiddler begged for mercy.
{PER Sherlock Holmes} lit his pipe and looked out at {LOC Regent's Park}.
"Elementary," replied {PER Watson}.
{PER Pippi} lifted the horse onto the veranda.
The whale surfaced twice before it took the boat down.
It was the kind of morning on which nothing seems urgent.
The {ORG Beatles} played {LOC Hamburg} before anyone at home had heard of them.
{PER Nina Simone} had wanted to be a concert pianist.
The new record by {PER Björk} was mixed in {LOC Reykjavik}.
{ORG Studio Ghibli} drew every frame by hand.
{PER Kurosawa} shot the battle scenes on the slopes of {LOC Mount Fuji}.
The {ORG Berlin Philharmonic} is on tour in {LOC Japan} until {DATE 9 November}.
Tickets for the {LOC Globe} start at five pounds.
{PER Banksy} has not confirmed that the mural is his.
The {ORG Rijksmuseum} bought the portrait for an undisclosed sum.
{PER Serena Williams} won in straight sets.
{ORG Ajax} and {ORG Celtic} drew 1-1 in a dull second leg.
{PER Eliud Kipchoge} ran it in under two hours, in {LOC Vienna}, on {DATE 12 October 2019}.
Stage four takes the riders over the {LOC Col du Galibier}.
The goalkeeper, a trained baker, dropped the ball.
{ORG Toyota} recalled 40,000 cars because of a faulty seat belt.
Growth in {LOC Vietnam} slowed to five percent.
The {ORG European Central Bank} left interest rates unchanged on {DATE Thursday}.
{PER Christine Lagarde} hinted at a cut in {DATE September}.
Oil fell below eighty dollars a barrel.
A spokesman for {ORG Maersk} in {LOC Copenhagen} declined to give details.
{ORG Sainsbury's} and {ORG Tesco} have both run out of lettuce.
Our chief executive, {PER Lucia Moreno}, started as a cleaner.
The patent belongs to {ORG Hewlett-Packard}.
{PER Sam} from {ORG Hewlett-Packard} rang about the patent.
Rain will spread from the west during the afternoon.
Snow is expected above 800 metres in the {LOC Black Forest} by {DATE Sunday}.
Typhoon warnings are in force for {LOC Taiwan} and {LOC Okinawa}.
The bus to {LOC Ulaanbaatar} leaves when it is full.
Mind the step.
{LOC Turkey} exports more hazelnuts than any other country.
We had cold turkey and chutney for three days.
She bought a china teapot in {LOC China}.
What a nice surprise, said the mayor of {LOC Nice}.
{LOC Paris} is always a good idea, they say.
{PER Paris} said she would rather stay in bed.
{PER Washington} crossed the {LOC Delaware} on Christmas night of {DATE 1776}.
Talks in {LOC Washington} broke down on {DATE Saturday}.
{ORG Chelsea} lost at home; {LOC Chelsea} did not seem to mind.
{PER Florence} has never been to {LOC Florence}.
The {ORG World Health Organization} declared the outbreak over on {DATE 2 July}.
{ORG Médecins Sans Frontières} runs the only clinic in {LOC Bentiu}.
Born in {LOC Salvador da Bahia}, {PER Jorge Amado} wrote about cocoa, sailors and thieves.
{PER Wangari Maathai} planted her first seven trees on {DATE 5 June 1977}.
{PER Xi} and {PER Modi} shook hands but took no questions.
The {LOC Golden Gate Bridge} was painted orange by accident, or so the story goes.
Our daughter starts school in {LOC Ljubljana} next autumn.
Happy birthday, {PER Nana}!
See you on {DATE Wednesday} then, same place.
The deadline is {DATE 31/01/2024}, no exceptions.
Since {DATE February} the lift has worked for exactly four days.
Nothing in the contract says that tenants must paint the ceilings.
Every child in the class had drawn the same blue horse.
Press the red button twice to cancel.
Some philosophers doubt that there is a question here at all.
{PER Hannah Arendt} reported on the trial for the {ORG New Yorker}.
{PER Spinoza} ground lenses in {LOC The Hague}.
The letters between {PER Vincent} and {PER Theo} fill three volumes.
""".strip().splitlines()
)
"""Sentences written one by one, apart from the templates; nothing is ever trained on them."""

NOVEL_FIRST: str = (
    "Elizabeth|Jane|Lydia|Kitty|Charlotte|Emma|Harriet|Anne|Mary|Louisa|Henrietta|Walter|Charles|Elinor|Marianne|Edward|"
    "Lucy|Robert|John|Fanny|Edmund|Thomas|Tom|Maria|Julia|William|Catherine|Isabella|Henry|James|Frank|George|Caroline|"
    "Georgiana|Susan|Eleanor|Sophia|Augusta|Margaret|Lizzy|Eliza|Betsey|Sam|Richard|Frederick"
)
NOVEL_LAST: str = (
    "Darcy|Bingley|Bennet|Wickham|Collins|Lucas|Gardiner|Woodhouse|Knightley|Smith|Elton|Weston|Churchill|Fairfax|Bates|"
    "Martin|Elliot|Wentworth|Musgrove|Croft|Benwick|Harville|Russell|Clay|Dashwood|Willoughby|Brandon|Ferrars|Jennings|"
    "Middleton|Palmer|Steele|Price|Bertram|Crawford|Norris|Rushworth|Grant|Yates|Morland|Tilney|Thorpe|Allen|Philips|"
    "Hurst|Fitzwilliam|Forster|Denny|Perry|Cole|Goddard|Campbell|Dixon|Shepherd|Hayter|Dalrymple|Jenkinson"
)
NOVEL_PLACES: str = (
    "London|Bath|Meryton|Longbourn|Netherfield|Pemberley|Rosings|Hunsford|Derbyshire|Kent|Hertfordshire|Highbury|Hartfield|"
    "Randalls|Donwell|Lyme|Uppercross|Kellynch|Somersetshire|Barton|Norland|Devonshire|Mansfield|Sotherton|Portsmouth|"
    "Northamptonshire|Northanger|Fullerton|Clifton|Bristol|Brighton|Richmond|England|Surrey|Lambton|Lincolnshire|"
    "Liverpool|Antigua|Ireland|Scotland|Norfolk|Everingham|Thornton|Enscombe|Winthrop|Plymouth|Exeter|Delaford|Cleveland"
)
"""Names in Jane Austen's novels, to take them out and put others in."""
