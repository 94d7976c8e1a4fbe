//! Column names of Ads Manager and of people's own tables, in nine interface languages.

use super::event::Event;
use crate::domain::Currency;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Column {
    Spend,
    Day,
    Starts,
    Ends,
    Campaign,
    AdSet,
    Ad,
    Impressions,
    Results,
    ResultIndicator,
    ResultValue,
    Value,
    CurrencyCode,
    Count(Event),
}

/// Known names, folded as [`fold`] does; within a column the first one found wins, the others are ignored.
const NAMES: &[(Column, &[&str])] = &[
    (
        Column::Spend,
        &[
            "amount spent",
            "spend",
            "spent",
            "ad spend",
            "amount spend",
            "total spend",
            "total spent",
            "cost",
            "importe gastado",
            "valor usado",
            "valor gasto",
            "quantia gasta",
            "ausgegebener betrag",
            "montant depense",
            "importo speso",
            "消化金額",
            "已花费金额",
            "花费金额",
            "花費金額",
            "jumlah yang dibelanjakan",
            "jumlah dibelanjakan",
        ],
    ),
    (
        Column::Day,
        &[
            "day", "date", "dia", "fecha", "data", "tag", "datum", "jour", "giorno", "日", "日付",
            "天", "日期", "hari", "tanggal",
        ],
    ),
    (
        Column::Starts,
        &[
            "reporting starts",
            "report starts",
            "date start",
            "start date",
            "inicio del informe",
            "inicio dos relatorios",
            "berichtsstart",
            "berichtsbeginn",
            "auswertungsbeginn",
            "debut des rapports",
            "inizio dei report",
            "inizio del report",
            "inizio report",
            "レポート開始日",
            "报告开始日期",
            "awal pelaporan",
        ],
    ),
    (
        Column::Ends,
        &[
            "reporting ends",
            "report ends",
            "date stop",
            "end date",
            "fin del informe",
            "encerramento dos relatorios",
            "termino dos relatorios",
            "berichtsende",
            "auswertungsende",
            "fin des rapports",
            "fine dei report",
            "fine del report",
            "fine report",
            "レポート終了日",
            "报告结束日期",
            "akhir pelaporan",
        ],
    ),
    (
        Column::Campaign,
        &[
            "campaign name",
            "campaign",
            "nombre de la campana",
            "campana",
            "nome da campanha",
            "campanha",
            "kampagnenname",
            "name der kampagne",
            "kampagne",
            "nom de la campagne",
            "campagne",
            "nome della campagna",
            "campagna",
            "キャンペーン名",
            "キャンペーンの名前",
            "广告系列名称",
            "nama kampanye",
            "xyz campaign id",
            "campaign id",
        ],
    ),
    (
        Column::AdSet,
        &[
            "ad set name",
            "adset name",
            "ad set",
            "nombre del conjunto de anuncios",
            "nome do conjunto de anuncios",
            "name der anzeigengruppe",
            "anzeigengruppenname",
            "anzeigengruppe",
            "nom de l ensemble de publicites",
            "nome del gruppo di inserzioni",
            "広告セット名",
            "広告セットの名前",
            "广告组名称",
            "nama set iklan",
        ],
    ),
    (
        Column::Ad,
        &[
            "ad name",
            "ads",
            "ad",
            "ad id",
            "nombre del anuncio",
            "nome do anuncio",
            "name der werbeanzeige",
            "anzeigenname",
            "name der anzeige",
            "nom de la publicite",
            "nome dell inserzione",
            "広告名",
            "広告の名前",
            "广告名称",
            "nama iklan",
        ],
    ),
    (
        Column::Impressions,
        &[
            "impressions",
            "impr",
            "impresiones",
            "impressoes",
            "impressionen",
            "impressioni",
            "インプレッション",
            "インプレッション数",
            "展示次数",
            "impresi",
            "tayangan",
        ],
    ),
    (
        Column::Results,
        &[
            "results",
            "result",
            "resultados",
            "ergebnisse",
            "resultats",
            "risultati",
            "結果",
            "成效",
            "hasil",
        ],
    ),
    (
        Column::ResultIndicator,
        &[
            "result indicator",
            "result type",
            "results type",
            "indicador de resultado",
            "indicador de resultados",
            "tipo de resultado",
            "ergebnisindikator",
            "ergebnis indikator",
            "ergebnistyp",
            "indicateur de resultat",
            "indicateur de resultats",
            "type de resultat",
            "indicatore di risultato",
            "indicatore del risultato",
            "tipo di risultato",
            "結果インジケーター",
            "結果の種類",
            "成效指标",
            "成效类型",
            "indikator hasil",
            "jenis hasil",
        ],
    ),
    (
        Column::ResultValue,
        &["results value", "result value", "valor de los resultados", "valor dos resultados"],
    ),
    (
        Column::Value,
        &[
            "purchases conversion value",
            "purchase conversion value",
            "website purchases conversion value",
            "conversion value",
            "purchase value",
            "revenue",
            "valor de conversion de compras",
            "valor de conversion de compras en el sitio web",
            "valor de conversao da compra",
            "valor de conversao de compras",
            "valor de conversao de compras no site",
            "conversion wert fur kaufe",
            "kauf conversion wert",
            "conversion wert von kaufen",
            "valeur de conversion des achats",
            "valore di conversione degli acquisti",
            "valore di conversione di acquisti",
            "購入コンバージョン値",
            "购物转化价值",
            "nilai konversi pembelian",
        ],
    ),
    (
        Column::CurrencyCode,
        &[
            "currency",
            "account currency",
            "moneda",
            "divisa",
            "moeda",
            "wahrung",
            "devise",
            "valuta",
            "通貨",
            "货币",
            "币种",
            "mata uang",
        ],
    ),
    (
        Column::Count(Event::Purchase),
        &[
            "purchases",
            "website purchases",
            "meta purchases",
            "purchase",
            "orders",
            "approved conversion",
            "compras",
            "compras en el sitio web",
            "compras no site",
            "kaufe",
            "website kaufe",
            "kaufe auf der website",
            "kaufe uber die website",
            "achats",
            "achats sur le site web",
            "achats sur le site",
            "acquisti",
            "acquisti sul sito web",
            "購入",
            "購入数",
            "ウェブサイトでの購入",
            "购物次数",
            "购物",
            "网站购物次数",
            "购买次数",
            "pembelian",
            "pembelian di situs web",
            "pembelian situs web",
        ],
    ),
    (
        Column::Count(Event::AddToCart),
        &[
            "adds to cart",
            "website adds to cart",
            "add to cart",
            "adds to carts",
            "add to carts",
            "added to cart",
            "articulos agregados al carrito",
            "articulos anadidos al carrito",
            "agregados al carrito",
            "articulos agregados al carrito en el sitio web",
            "adicoes ao carrinho",
            "adicoes ao carrinho no site",
            "in den einkaufswagen",
            "in den warenkorb",
            "hinzufugungen zum einkaufswagen",
            "hinzufugungen zum warenkorb",
            "ajouts au panier",
            "ajouts au panier sur le site web",
            "aggiunte al carrello",
            "aggiunte al carrello sul sito web",
            "カートに追加",
            "カートへの追加",
            "カート追加",
            "加入购物车次数",
            "加入购物车",
            "网站加入购物车次数",
            "penambahan ke keranjang",
            "tambah ke keranjang",
            "penambahan ke keranjang di situs web",
        ],
    ),
    (
        Column::Count(Event::InitiateCheckout),
        &[
            "checkouts initiated",
            "website checkouts initiated",
            "initiate checkout",
            "initiated checkout",
            "initiate checkouts",
            "checkouts",
            "pagos iniciados",
            "pagos iniciados en el sitio web",
            "finalizacoes de compra iniciadas",
            "finalizacoes de compra iniciadas no site",
            "checkouts iniciados",
            "gestartete checkouts",
            "begonnene bezahlvorgange",
            "initiierte bezahlvorgange",
            "gestartete bezahlvorgange",
            "paiements inities",
            "paiements initialises",
            "paiements inities sur le site web",
            "checkout avviati",
            "acquisti iniziati",
            "pagamenti avviati",
            "チェックアウト開始",
            "チェックアウトの開始",
            "结账发起次数",
            "发起结账次数",
            "网站结账发起次数",
            "checkout dimulai",
            "checkout yang dimulai",
        ],
    ),
    (
        Column::Count(Event::AddPaymentInfo),
        &[
            "adds of payment info",
            "website adds of payment info",
            "add payment info",
            "payment info adds",
            "informacion de pago agregada",
            "adicoes de informacoes de pagamento",
            "hinzugefugte zahlungsinformationen",
            "ajouts d informations de paiement",
            "aggiunte di informazioni di pagamento",
            "支払い情報の追加",
            "添加支付信息次数",
            "penambahan info pembayaran",
        ],
    ),
    (
        Column::Count(Event::ViewContent),
        &[
            "content views",
            "website content views",
            "view content",
            "views content",
            "content view",
            "visualizaciones de contenido",
            "visualizaciones del contenido",
            "visualizacoes de conteudo",
            "visualizacoes do conteudo",
            "inhaltsaufrufe",
            "content aufrufe",
            "vues de contenu",
            "vues du contenu",
            "visualizzazioni dei contenuti",
            "visualizzazioni di contenuti",
            "コンテンツビュー",
            "コンテンツの閲覧",
            "内容查看次数",
            "内容浏览次数",
            "tampilan konten",
        ],
    ),
    (
        Column::Count(Event::PageView),
        &[
            "landing page views",
            "website landing page views",
            "visitas a la pagina de destino",
            "visualizacoes da pagina de destino",
            "landingpage aufrufe",
            "landing page aufrufe",
            "zielseitenaufrufe",
            "vues de page de destination",
            "vues de la page de destination",
            "visualizzazioni della pagina di destinazione",
            "ランディングページビュー",
            "落地页浏览量",
            "tampilan halaman tujuan",
            "tayangan halaman tujuan",
        ],
    ),
    (
        Column::Count(Event::Search),
        &[
            "searches",
            "website searches",
            "search",
            "busquedas",
            "pesquisas",
            "suchvorgange",
            "suchen",
            "recherches",
            "ricerche",
            "検索",
            "搜索次数",
            "pencarian",
        ],
    ),
    (
        Column::Count(Event::AddToWishlist),
        &[
            "adds to wishlist",
            "website adds to wishlist",
            "add to wishlist",
            "articulos agregados a la lista de deseos",
            "adicoes a lista de desejos",
            "auf die wunschliste",
            "ajouts a la liste de souhaits",
            "aggiunte alla lista dei desideri",
            "ウィッシュリストへの追加",
            "加入心愿单次数",
            "penambahan ke daftar keinginan",
        ],
    ),
    (
        Column::Count(Event::CompleteRegistration),
        &[
            "registrations completed",
            "website registrations completed",
            "complete registration",
            "registrations",
            "registros completados",
            "cadastros concluidos",
            "abgeschlossene registrierungen",
            "inscriptions terminees",
            "registrazioni completate",
            "登録完了",
            "完成注册次数",
            "pendaftaran selesai",
        ],
    ),
    (
        Column::Count(Event::Lead),
        &[
            "leads",
            "website leads",
            "lead",
            "meta leads",
            "total conversion",
            "clientes potenciales",
            "cadastros",
            "prospects",
            "contatti",
            "リード",
            "潜在客户",
            "潜在客户数",
            "prospek",
        ],
    ),
];

/// A column name reduced to what identifies it: lower case, accents and marks gone, without "number of" and without
/// a trailing currency.
pub(super) fn fold(name: &str) -> String {
    let plain: String = name.chars().flat_map(char::to_lowercase).map(unaccent).collect();
    let words: Vec<&str> =
        plain.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).collect();
    let words = match words.as_slice() {
        ["number" | "no", "of", rest @ ..] | ["of", rest @ ..] if !rest.is_empty() => rest,
        all => all,
    };
    words.join(" ")
}

fn unaccent(c: char) -> char {
    match c {
        'á' | 'à' | 'â' | 'ã' | 'ä' | 'å' => 'a',
        'é' | 'è' | 'ê' | 'ë' => 'e',
        'í' | 'ì' | 'î' | 'ï' => 'i',
        'ó' | 'ò' | 'ô' | 'õ' | 'ö' => 'o',
        'ú' | 'ù' | 'û' | 'ü' => 'u',
        'ñ' => 'n',
        'ç' => 'c',
        other => other,
    }
}

/// A header cell split into its name and the currency it carries: `Amount spent (EUR)`, `Spend [USD]`, `Spend EUR`.
fn split_currency(cell: &str) -> (&str, Option<Currency>) {
    let cell = cell.trim().trim_matches('"').trim();
    let inner = cell.strip_suffix([')', ']', '）']);
    let bracketed = inner.and_then(|rest| rest.rsplit_once(['(', '[', '（']));
    let bare = cell.rsplit_once([' ', '_']);
    for (name, code) in [bracketed, bare].into_iter().flatten() {
        if let Ok(currency) = code.trim().parse() {
            return (name, Some(currency));
        }
    }
    (cell, None)
}

/// What a header cell names, how preferred that name is (0 = most), and its currency.
pub(super) fn recognise(cell: &str) -> Option<(Column, usize, Option<Currency>)> {
    let (name, currency) = split_currency(cell);
    let folded = fold(name);
    NAMES.iter().find_map(|(column, names)| {
        let rank = names.iter().position(|known| *known == folded)?;
        Some((*column, rank, currency))
    })
}

/// The event that a "Result indicator" or "Result type" cell names.
pub(super) fn result_event(cell: &str) -> Option<Event> {
    let name = cell.trim().trim_start_matches("actions:").trim_start_matches("conversions:");
    let by_action = Event::of_action_type(name);
    by_action.or_else(|| match recognise(name) {
        Some((Column::Count(event), ..)) => Some(event),
        _ => None,
    })
}

/// Words that open a totals row.
pub(super) fn names_a_total(cell: &str) -> bool {
    let folded = fold(cell);
    let first = folded.split(' ').next().unwrap_or("");
    let total = [
        "total",
        "totals",
        "totales",
        "totais",
        "gesamt",
        "gesamtsumme",
        "totale",
        "合計",
        "总计",
        "jumlah",
    ];
    total.contains(&first)
        || folded.starts_with("results from ")
        || folded.starts_with("grand total")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spend_is_known_in_every_language_with_its_currency() {
        for (cell, code) in [
            ("Amount spent (USD)", "USD"),
            ("Spend [USD]", "USD"),
            ("Importe gastado (EUR)", "EUR"),
            ("Valor usado (BRL)", "BRL"),
            ("Ausgegebener Betrag (EUR)", "EUR"),
            ("Montant dépensé (EUR)", "EUR"),
            ("Importo speso (EUR)", "EUR"),
            ("消化金額 (JPY)", "JPY"),
            ("已花费金额 (USD)", "USD"),
            ("Jumlah yang dibelanjakan (IDR)", "IDR"),
        ] {
            let (column, _, currency) = recognise(cell).unwrap_or_else(|| panic!("{cell}"));
            assert_eq!((column, currency.unwrap().as_str()), (Column::Spend, code), "{cell}");
        }
    }

    #[test]
    fn damaged_names_are_recognised_and_costs_are_not_counts() {
        for cell in ["# of Purchase", "of Purchase", " of Purchase", "Purchases", "Käufe"] {
            let found = recognise(cell).map(|(column, ..)| column);
            assert_eq!(found, Some(Column::Count(Event::Purchase)), "{cell}");
        }
        for cell in
            ["Cost per purchase", "Purchase ROAS (return on ad spend)", "CPC (all)", "* ATC to IC"]
        {
            assert!(recognise(cell).is_none(), "{cell}");
        }
    }

    #[test]
    fn result_indicators_name_their_event() {
        assert_eq!(
            result_event("actions:offsite_conversion.fb_pixel_purchase"),
            Some(Event::Purchase)
        );
        assert_eq!(result_event("Website purchases"), Some(Event::Purchase));
        assert_eq!(result_event("actions:link_click"), None);
    }

    #[test]
    fn no_name_stands_for_two_columns() {
        let mut seen = std::collections::BTreeMap::new();
        for (column, names) in NAMES {
            for name in *names {
                assert_eq!(fold(name), *name, "{name} is not folded");
                assert_eq!(seen.insert(*name, *column), None, "{name} occurs twice");
            }
        }
    }
}
